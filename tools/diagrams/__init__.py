"""Diagrams of the state machines and of the templates' resources, drawn from them into the documents."""
