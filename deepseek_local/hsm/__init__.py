"""Keys that never leave a hardware security module: how it is named, opened and asked, over PKCS#11."""
