module vectors/go_time

go 1.24
