package dashboard

import (
	"encoding/json"
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// UID is how Grafana knows the dashboard: an import with the same one replaces it.
const UID = "llm-processor"

const (
	statHeight = 4
	plotHeight = 8
)

// JSON is the dashboard as Grafana imports it.
func JSON() ([]byte, error) {
	b := dashboard.NewDashboardBuilder("Processor") //nolint:staticcheck // older Grafanas do not import its successor, dashboardv2
	b.Uid(UID).
		Description("Stream processors of LLM events: what they read, what they write, how far event time has come and what holds it back. "+
			"The alerts of deploy/prometheus/alerts.yml have a runbook each in docs/runbooks.").
		Tags([]string{"processor", "streaming", "llm"}).
		Time("now-1h", "now").
		Timezone("browser").
		Refresh("30s").
		Editable().
		Tooltip(dashboard.DashboardCursorSyncCrosshair)
	for _, v := range variables() {
		b.WithVariable(v)
	}
	id := uint32(0)
	for _, r := range rows() {
		id++
		b.WithRow(dashboard.NewRowBuilder(r.title).Id(id))
		for _, p := range r.panels {
			id++
			b.WithPanel(p.builder(id))
		}
	}
	built, err := b.Build()
	if err != nil {
		return nil, fmt.Errorf("building the dashboard: %w", err)
	}
	text, err := json.MarshalIndent(built, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding the dashboard: %w", err)
	}
	return append(text, '\n'), nil
}

// variables choose the Prometheus, and the instances that are shown.
func variables() []cog.Builder[dashboard.VariableModel] {
	of := func(label, from string) *dashboard.QueryVariableBuilder {
		query := "label_values(" + from + ", " + label + ")"
		return dashboard.NewQueryVariableBuilder(label).
			Datasource(source()).
			Query(dashboard.StringOrMap{String: &query}).
			Definition(query).
			Refresh(dashboard.VariableRefreshOnTimeRangeChanged).
			Sort(dashboard.VariableSortAlphabeticalAsc).
			Multi(true).IncludeAll(true).AllValue(".+").
			Current(option("All", "$__all"))
	}
	return []cog.Builder[dashboard.VariableModel]{
		dashboard.NewDatasourceVariableBuilder("datasource").Label("Prometheus").Type("prometheus"),
		of("job", "processor_build_info").Label("Job"),
		of("instance", `processor_build_info{job=~"$job"}`).Label("Instance"),
	}
}

func option(text, value string) dashboard.VariableOption {
	selected := true
	return dashboard.VariableOption{
		Selected: &selected,
		Text:     dashboard.StringOrArrayOfString{String: &text},
		Value:    dashboard.StringOrArrayOfString{String: &value},
	}
}

// source is the Prometheus that is chosen.
func source() common.DataSourceRef {
	kind, uid := "prometheus", "${datasource}"
	return common.DataSourceRef{Type: &kind, Uid: &uid}
}

func (p panel) builder(id uint32) cog.Builder[dashboard.Panel] {
	if p.stat {
		return p.statBuilder(id)
	}
	return p.plotBuilder(id)
}

func (p panel) statBuilder(id uint32) *stat.PanelBuilder {
	height := uint32(statHeight)
	if p.tall {
		height = plotHeight
	}
	b := stat.NewPanelBuilder().
		Id(id).Title(p.title).Description(p.what).Datasource(source()).
		Unit(p.unit).Height(height).Span(p.width).
		GraphMode(common.BigValueGraphModeArea).
		ColorMode(common.BigValueColorModeValue).
		Orientation(common.VizOrientationAuto).
		Thresholds(p.thresholds()).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"}))
	if len(p.states) > 0 {
		b.Mappings(p.mappings()).GraphMode(common.BigValueGraphModeNone)
	}
	for _, t := range p.targets() {
		b.WithTarget(t)
	}
	return b
}

func (p panel) plotBuilder(id uint32) *timeseries.PanelBuilder {
	b := timeseries.NewPanelBuilder().
		Id(id).Title(p.title).Description(p.what).Datasource(source()).
		Unit(p.unit).Height(plotHeight).Span(p.width).
		FillOpacity(10).
		ShowPoints(common.VisibilityModeNever).
		Legend(common.NewVizLegendOptionsBuilder().
			DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom).ShowLegend(true)).
		Tooltip(common.NewVizTooltipOptionsBuilder().
			Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending))
	if p.stacked {
		b.Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal))
	}
	for _, t := range p.targets() {
		b.WithTarget(t)
	}
	return b
}

func (p panel) targets() []*prometheus.DataqueryBuilder {
	var all []*prometheus.DataqueryBuilder
	for i, l := range p.lines {
		all = append(all, prometheus.NewDataqueryBuilder().
			RefId(string(rune('A'+i))).
			Datasource(source()).
			Expr(l.promQL()).LegendFormat(l.name).Range())
	}
	return all
}

func (p panel) thresholds() cog.Builder[dashboard.ThresholdsConfig] {
	steps := []dashboard.Threshold{{Color: plain}}
	if len(p.limits) > 0 {
		steps[0].Color = good
	}
	for _, l := range p.limits {
		steps = append(steps, dashboard.Threshold{Value: &l.from, Color: l.colour})
	}
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(steps)
}

func (p panel) mappings() []dashboard.ValueMapping {
	named := map[string]dashboard.ValueMappingResult{}
	for _, s := range p.states {
		named[s.value] = dashboard.ValueMappingResult{Text: &s.name, Color: &s.colour}
	}
	return []dashboard.ValueMapping{{ValueMap: &dashboard.ValueMap{Type: dashboard.MappingTypeValueToText, Options: named}}}
}
