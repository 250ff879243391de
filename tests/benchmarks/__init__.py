"""What `make bench`, `make scores` and `make weather` run."""
