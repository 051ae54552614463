// Without a file of assembly, the compiler refuses functions without a body: those of linkname.go.
