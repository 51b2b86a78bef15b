// Package decode turns the records of a source into batches of columns: one
// pass over the bytes validates a record as JSON (RFC 8259) in UTF-8 and picks
// the wanted fields and the event time out of it. What cannot be decoded
// becomes a dead letter; nothing is dropped without one but blank records.
//
// How it is fast: strings are scanned eight bytes at a time; each object
// remembers which key followed which, so that a key is recognised by comparing
// two words with what is expected; columns are written by index; an event
// allocates nothing once the batch is warm. How it is safe: every record is
// seen through a view that ends in padding whose first byte no token can
// contain, so scanning needs no test for the end (see Decoder.view).
//
// Read it in this order: decoder.go (records), json.go (objects and wanted
// values), keys.go (prediction), string.go, number.go, skip.go, rfc3339.go and
// unix.go (times), cloudevents.go.
package decode
