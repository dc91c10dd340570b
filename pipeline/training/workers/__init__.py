"""Where stacks train: processes, how slots are distributed over them, and what training costs on this machine."""
