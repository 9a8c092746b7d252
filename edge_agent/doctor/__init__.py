"""What `edge-agent doctor` looks at: each part the dog needs, and what to do where one is missing."""
