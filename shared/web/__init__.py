"""One look for all pages: templates, components, styles, texts in the clinic's languages, served by us alone."""
