module weft/bench/tls

go 1.19
