package config

// shape turns the short forms of a value into the long ones, so that all that
// follows knows only these: tumbling: 1m into tumbling: {size: 1m}, and
// key: [model] into key: {model: model}.
func (l *loader) shape(n *node, s *setting, path string) {
	switch {
	case n.isNull():
		return
	case s.Kind == section && s.Short != "" && n.kind == scalarNode:
		value := *n
		*n = node{kind: mappingNode, at: n.at}
		n.put(s.Short, &value)
	case s.ListShort && n.kind == sequenceNode:
		l.shapeList(n, path)
	case n.kind == mappingNode:
		for _, e := range n.entries {
			if c := s.child(e.key); c != nil {
				l.shape(e.value, c, join(path, e.key))
			}
		}
	case n.kind == sequenceNode && s.Kind == list:
		for i, item := range n.items {
			l.shape(item, s.child("*"), join(path, itoa(i)))
		}
	}
}

func (l *loader) shapeList(n *node, path string) {
	items := n.items
	n.kind, n.items = mappingNode, nil
	for i, item := range items {
		switch {
		case item.kind != scalarNode:
			l.add(join(path, itoa(i)), item.at, "is %s; in a list each is a field, such as [model, metadata.tenant]: write {name: expression} without the brackets for other names", item.describe())
		case n.entry(item.text) != nil:
			l.add(join(path, itoa(i)), item.at, "%s is there twice; keep one of them", item.quote())
		default:
			item.bare = true
			n.put(item.text, item)
		}
	}
}
