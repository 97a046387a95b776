"""Pages of the application origin (`volumes`) and of the viewer origin (`view`, `data`)."""
