package config

import (
	"net/url"

	"github.com/llm-optimizer/processor/postgres"
	"github.com/llm-optimizer/processor/secret"
)

func (l *loader) postgresSink(v view, meta bool) *postgres.Sink {
	s := &postgres.Sink{
		URL: l.databaseURL(v.at("url")), EpochTable: v.text("epoch_table"), NoCreate: !v.flag("create"), Meta: meta,
	}
	switch table := v.text("table"); v.s.parent.name() {
	case "late_events":
		s.LateTable = table
	case "dead_letters":
		s.DeadTable = table
	default:
		s.Table, s.History, s.Values = table, v.flag("history"), v.text("values")
		s.PartitionBy, s.Retain = v.text("partition_by"), v.duration("retain")
	}
	return s
}

// databaseURL reads an address; a password in it must not stand in the file.
func (l *loader) databaseURL(v view) secret.Text {
	text, _ := v.value().(string)
	if v.given() && len(v.n.secrets) == 0 && v.n.at.variable == "" {
		if u, err := url.Parse(text); err == nil && u.User != nil {
			if _, has := u.User.Password(); has {
				l.add(v.path, v.place(), "has a password that stands in the file for all to read; write ${NAME} for an environment variable that holds it, or the whole address")
				return secret.Text{}
			}
		}
	}
	return secret.New(text)
}
