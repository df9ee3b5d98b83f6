"""What a configuration costs, before it is run: jobs, core-hours, GPU-hours and disk of each rule."""
