"""One module per screen: parse, one call below, a typed context, a template."""
