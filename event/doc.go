// Package event holds the words of the stream: values, columns, batches and
// keys. It has no behaviour that waits and imports nothing of the project.
//
// Events travel in batches of columns. A Batch is filled by a decoder, read by
// many, and reused; whoever keeps a value past the batch copies it.
package event
