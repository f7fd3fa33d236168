"""What `deploy/`, the Dockerfile and docker-compose.yml say is accepted by the programs that read them."""
