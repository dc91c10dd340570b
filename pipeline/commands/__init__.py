"""What each command does. Every module imports what it needs when it is called, not before."""
