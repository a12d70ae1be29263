"""Studio: the pages operators sign in to. Server-rendered, no build step, strict CSP."""
