// Package postgres is the sink that keeps results in tables of a PostgreSQL
// database (12 or later).
//
// A result is a row of a table: by default one row for each query, key and
// window, replaced by every later firing and deleted by a retraction; with
// History one row for every firing. Late events and dead letters have tables
// of their own.
//
// With durable state the rows of an epoch and the number of the epoch, in the
// table processor_epochs, are one transaction, so that each row is there exactly
// once whatever crashes. Everything that is written is keyed by an id of the
// row, so that writing it again changes nothing.
package postgres
