// Package simtest runs whole pipelines on input in memory and compares what
// they say with what they should: with the reference model, with rows that
// another engine gave, and with transcripts written by hand.
//
// The property tests draw random pipelines and random input. They try 100 of
// each kind; SIMTEST_CHECKS=5000 tries more. A failure prints the pipeline and
// its input in the form of a transcript, after shrinking.
package simtest
