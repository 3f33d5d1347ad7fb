"""The certificates of a site: two hierarchies of authorities, what they issue, what they take back, and when it is renewed."""
