# Reached from the internal network only; whoever publishes it gives it TLS.
storage "raft" {
  path    = "/vault/file"
  node_id = "vault"
}
listener "tcp" {
  address     = "0.0.0.0:8200"
  tls_disable = true
}
api_addr     = "http://vault:8200"
cluster_addr = "http://vault:8201"
