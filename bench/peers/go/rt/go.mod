module rt

go 1.19
