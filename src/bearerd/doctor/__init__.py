"""What ``bearerd doctor`` looks at, one subject a file; each returns findings, and changes nothing that lasts."""
