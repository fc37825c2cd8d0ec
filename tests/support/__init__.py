"""What tests share: made-up data, coarse projects, a web server of their own, tiny networks."""
