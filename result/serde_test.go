package result

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"
)

// The types of the optimizer that read what the encodings write, field by field:
// f64 is float64, u64 uint64, u8 uint8, DateTime<Utc> time.Time, a HashMap a map,
// a tuple a struct without names, an Option a pointer.
type (
	rustWindowResult struct {
		Window struct {
			Bounds struct {
				Start time.Time `json:"start"`
				End   time.Time `json:"end"`
			} `json:"bounds"`
			ID string `json:"id"`
		} `json:"window"`
		Key     string `json:"key"`
		Results struct {
			Counts map[string]uint64  `json:"counts"`
			Values map[string]float64 `json:"values"`
		} `json:"results"`
		EventCount  uint64     `json:"event_count"`
		ProcessedAt time.Time  `json:"processed_at"`
		Watermark   *time.Time `json:"watermark"`
	}
	rustMetricPoint struct {
		Name        string            `json:"name"`
		Value       float64           `json:"value"`
		Unit        string            `json:"unit"`
		Timestamp   time.Time         `json:"timestamp"`
		Tags        map[string]string `json:"tags"`
		Aggregation *struct {
			Type        rustAggregationType `json:"aggregation_type"`
			Count       uint64              `json:"count"`
			Sum         float64             `json:"sum"`
			Min         float64             `json:"min"`
			Max         float64             `json:"max"`
			Percentiles []rustPercentile    `json:"percentiles"`
		} `json:"aggregation"`
	}
	rustPercentile struct {
		P     uint8
		Value float64
	}
	rustAggregationType string
	rustAnalyzerMetric  struct {
		Type      string            `json:"type"`
		Timestamp time.Time         `json:"timestamp"`
		Name      string            `json:"name"`
		Value     float64           `json:"value"`
		Unit      string            `json:"unit"`
		Labels    map[string]string `json:"labels"`
	}
)

// serde reads JSON as strictly as derived Deserialize does: a field must be
// there, an Option may be null or absent, a number must be one, an unsigned one
// without sign and fraction; fields that are not known are passed over.
func serde(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return err
	}
	if d.More() {
		return fmt.Errorf("more than one value")
	}
	return serdeValue(v, reflect.ValueOf(into).Elem())
}

func serdeValue(v any, to reflect.Value) error {
	switch p := to.Addr().Interface().(type) {
	case *time.Time:
		text, ok := v.(string)
		if !ok {
			return fmt.Errorf("%v is no text", v)
		}
		at, err := time.Parse(time.RFC3339Nano, text)
		*p = at
		return err
	case *rustAggregationType:
		text, _ := v.(string)
		if !slices.Contains([]string{"sum", "average", "min", "max", "count", "histogram", "percentile"}, text) {
			return fmt.Errorf("unknown variant %v", v)
		}
		*p = rustAggregationType(text)
		return nil
	case *rustPercentile:
		list, ok := v.([]any)
		if !ok || len(list) != 2 {
			return fmt.Errorf("%v is no pair", v)
		}
		return firstError(serdeValue(list[0], to.Field(0)), serdeValue(list[1], to.Field(1)))
	}
	switch to.Kind() {
	case reflect.Pointer:
		if v == nil {
			return nil
		}
		to.Set(reflect.New(to.Type().Elem()))
		return serdeValue(v, to.Elem())
	case reflect.Struct:
		return serdeStruct(v, to)
	case reflect.Map:
		return serdeMap(v, to)
	case reflect.Slice:
		list, ok := v.([]any)
		if !ok {
			return fmt.Errorf("%v is no list", v)
		}
		to.Set(reflect.MakeSlice(to.Type(), len(list), len(list)))
		for i := range list {
			if err := serdeValue(list[i], to.Index(i)); err != nil {
				return err
			}
		}
		return nil
	case reflect.String:
		text, ok := v.(string)
		if !ok {
			return fmt.Errorf("%v is no text", v)
		}
		to.SetString(text)
		return nil
	default:
		return serdeNumber(v, to)
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func serdeNumber(v any, to reflect.Value) error {
	n, ok := v.(json.Number)
	if !ok {
		return fmt.Errorf("%v is no number", v)
	}
	if to.Kind() == reflect.Float64 {
		f, err := n.Float64()
		to.SetFloat(f)
		return err
	}
	u, err := strconv.ParseUint(n.String(), 10, to.Type().Bits())
	to.SetUint(u)
	return err
}

func serdeStruct(v any, to reflect.Value) error {
	object, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("%v is no object", v)
	}
	for i := range to.NumField() {
		name := to.Type().Field(i).Tag.Get("json")
		member, ok := object[name]
		if !ok && to.Field(i).Kind() != reflect.Pointer {
			return fmt.Errorf("missing field %q", name)
		}
		if err := serdeValue(member, to.Field(i)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func serdeMap(v any, to reflect.Value) error {
	object, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("%v is no object", v)
	}
	to.Set(reflect.MakeMap(to.Type()))
	for name, member := range object {
		elem := reflect.New(to.Type().Elem()).Elem()
		if err := serdeValue(member, elem); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		to.SetMapIndex(reflect.ValueOf(name), elem)
	}
	return nil
}

// parse reads a record as the type of its encoding.
func parse(e Encoding, record []byte) (any, error) {
	switch e {
	case WindowResult:
		var v rustWindowResult
		err := serde(record, &v)
		return v, err
	case MetricPoint:
		var v rustMetricPoint
		err := serde(record, &v)
		return v, err
	case AnalyzerEvent:
		var v rustAnalyzerMetric
		err := serde(record, &v)
		if err == nil && v.Type != "Metric" {
			err = fmt.Errorf("unknown variant %q", v.Type)
		}
		return v, err
	default:
		var v map[string]any
		err := json.Unmarshal(record, &v)
		return v, err
	}
}
