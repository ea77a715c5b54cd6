// Package lsp is the language server: it speaks the Language Server Protocol
// 3.17 (microsoft.github.io/language-server-protocol) over a pair of streams.
//
// It finds mistakes while a file is being typed, completes blocks, arguments,
// actions and references, explains what is under the cursor, finds where a name
// is declared, formats, and lists what a file holds. All it knows of the
// language comes from the schema that files are checked against.
//
// Messages are handled one after the other, in the order they come; checking
// runs beside that, so that typing never waits for it. A failure in one request
// ends that request alone. Messages and open files are bounded.
package lsp
