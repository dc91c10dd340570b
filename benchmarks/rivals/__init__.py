"""What we are measured against, one file each: usual imports, nothing slowed down, nothing sped up."""
