module orgd

go 1.26.0
