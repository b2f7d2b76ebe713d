"""Old captures to WARC files, and back."""
