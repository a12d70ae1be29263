"""What ``hogsend doctor`` looks at, one module per neighbour. A check never raises."""
