package config

import (
	"os"
	"regexp"
	"strings"

	"github.com/llm-optimizer/processor/kafka"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/secret"
)

func (l *loader) kafkaSource(v view, pipeline string) *kafka.Source {
	s := &kafka.Source{
		Cluster: l.cluster(v), Topics: v.names("topics"), TopicPattern: v.text("topic_pattern"),
		Stop: v.text("stop"), Isolation: v.text("isolation"), Group: v.text("group"), BufferBytes: int(v.integer("buffer")),
	}
	if s.Group == "" {
		s.Group = pipeline
	}
	var err error
	if s.Start, err = kafka.ParseStart(v.text("start")); err != nil {
		l.add(v.path+".start", v.at("start").place(), "%v", err)
	}
	if _, err := regexp.Compile(s.TopicPattern); err != nil {
		l.add(v.path+".topic_pattern", v.at("topic_pattern").place(), "%s is no regular expression: %v", v.at("topic_pattern").n.quote(), err)
	}
	switch given := v.at("topics").given(); {
	case given && v.at("topic_pattern").given():
		l.add(v.path+".topic_pattern", v.at("topic_pattern").place(), "there are topics too; give one of the two")
	case !given && !v.at("topic_pattern").given():
		l.add(v.path+".topics", v.place(), "is missing; add it, such as topics: [feedback-events], or topic_pattern")
	}
	l.logged = append(l.logged, &s.Log)
	return s
}

func (l *loader) kafkaSink(v view, meta bool) *kafka.Sink {
	s := &kafka.Sink{
		Cluster: l.cluster(v), Topic: v.text("topic"), Compression: v.text("compression"), Meta: meta,
		MarkerTopic: v.text("marker_topic"), TransactionTimeout: v.duration("transaction_timeout"),
	}
	if v.s.child("encoding") != nil {
		s.Encoding, _ = result.ParseEncoding(v.text("encoding")) // the choice was checked
	}
	if c := v.at("create"); c.given() {
		s.Create = &kafka.TopicSpec{Partitions: int32(c.integer("partitions")), Replicas: int16(c.integer("replicas"))}
	}
	l.logged = append(l.logged, &s.Log)
	return s
}

// cluster reads how a cluster is reached.
func (l *loader) cluster(v view) kafka.Cluster {
	c := kafka.Cluster{Brokers: v.names("brokers"), ClientID: v.text("client_id")}
	if t := v.at("tls"); t.given() {
		c.TLS = &kafka.TLS{
			CAFile: t.text("ca_file"), CertFile: t.text("cert_file"), KeyFile: t.text("key_file"),
			ServerName: t.text("server_name"), SkipVerify: t.flag("skip_verify"),
		}
	}
	if a := v.at("sasl"); a.given() {
		c.SASL = &kafka.SASL{
			Mechanism: a.text("mechanism"), Username: a.text("username"), TokenFile: a.text("token_file"),
			Password: l.secret(a.at("password")), Token: l.secret(a.at("token")),
		}
		if f := a.at("password_file"); f.given() {
			c.SASL.Password = l.secretFile(f, a.at("password"))
		}
	}
	if len(c.Brokers) > 0 && l.sound(v.path) {
		if err := c.Validate(); err != nil {
			l.add(v.path, v.place(), "%v", err)
		}
	}
	return c
}

// secret reads a text that must not stand in the file.
func (l *loader) secret(v view) secret.Text {
	return l.secretOr(v, ", or use "+v.s.name()+"_file")
}

// secretOr is secret; or ends the message that says what to do instead.
func (l *loader) secretOr(v view, or string) secret.Text {
	text, _ := v.value().(string)
	if v.given() && len(v.n.secrets) == 0 && v.n.at.variable == "" {
		l.add(v.path, v.place(), "stands in the file for all to read; write ${NAME} for an environment variable that holds it%s", or)
		return secret.Text{}
	}
	return secret.New(text)
}

// secretFile reads a secret out of a file; the end of its line does not belong
// to it.
func (l *loader) secretFile(v, instead view) secret.Text {
	if instead.given() {
		l.add(v.path, v.place(), "there is a %s too; give one of the two", instead.s.name())
		return secret.Text{}
	}
	path, _ := v.value().(string)
	text, err := os.ReadFile(path)
	if err != nil {
		l.add(v.path, v.place(), "%v", err)
	}
	return secret.New(strings.TrimRight(string(text), "\r\n"))
}

// sound reports whether nothing was wrong below a path so far.
func (l *loader) sound(path string) bool {
	for _, p := range l.problems {
		if strings.HasPrefix(p.Path, path) {
			return false
		}
	}
	return true
}
