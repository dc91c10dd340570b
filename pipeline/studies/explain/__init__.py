"""`headway explain`: what the network looks at for each task."""
