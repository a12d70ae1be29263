"""HTTP: routes as data, one error form, one edge. Knows no slice."""
