package examples

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/goccy/go-yaml"

	"github.com/llm-optimizer/processor/config"
)

// load reads a compose file as `docker compose config` does, by its code: the
// schema, interpolation, and whether services, volumes and networks fit.
func load(t *testing.T, folder string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(folder, "compose.yaml")}, cli.WithName(folder))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestComposeFiles(t *testing.T) {
	for folder, services := range map[string]string{
		"kafka-postgres": "kafka postgres processor topics",
		"monitoring":     "grafana processor prometheus",
	} {
		t.Run(folder, func(t *testing.T) {
			project := load(t, folder)
			if got := strings.Join(project.ServiceNames(), " "); got != services {
				t.Errorf("the services are %s, want %s", got, services)
			}
			for name, s := range project.Services {
				checkService(t, name, s)
			}
			used := map[string]bool{}
			for _, s := range project.Services {
				for _, v := range s.Volumes {
					used[v.Source] = true
				}
			}
			for name := range project.Volumes {
				if !used[name] {
					t.Errorf("nobody uses the volume %s", name)
				}
			}
		})
	}
}

// pinned are images with a version that says more than latest.
var pinned = regexp.MustCompile(`:v?\d[\w.-]*(@sha256:[0-9a-f]{64})?$`)

func checkService(t *testing.T, name string, s types.ServiceConfig) {
	t.Helper()
	switch {
	case s.Build != nil:
		if _, err := os.Stat(filepath.Join(s.Build.Context, s.Build.Dockerfile)); err != nil {
			t.Errorf("%s is built from a file that is not there: %v", name, err)
		}
	case !pinned.MatchString(s.Image):
		t.Errorf("%s has the image %q, of no certain version", name, s.Image)
	}
	for _, p := range s.Ports {
		if p.HostIP != "127.0.0.1" {
			t.Errorf("port %s of %s is open to more than this machine: on %q", p.Published, name, p.HostIP)
		}
	}
	for _, v := range s.Volumes {
		if v.Type != types.VolumeTypeBind {
			continue
		}
		// Docker makes a folder of what is not there.
		if _, err := os.Stat(v.Source); err != nil {
			t.Errorf("%s mounts what is not there: %v", name, err)
		}
		if !v.ReadOnly {
			t.Errorf("%s may write to %s", name, v.Source)
		}
	}
}

func TestComposeConfigsLoad(t *testing.T) {
	for _, folder := range []string{"kafka-postgres", "monitoring"} {
		environ := []string{"DATABASE_URL=postgres://localhost/llm"}
		if _, err := config.Load(filepath.Join(folder, "processor.yaml"), environ); err != nil {
			t.Error(err)
		}
	}
}

// source is the file of this machine that a service finds under a path.
func source(t *testing.T, s types.ServiceConfig, path string) string {
	t.Helper()
	for _, v := range s.Volumes {
		if rest, is := strings.CutPrefix(path, v.Target); is && (rest == "" || rest[0] == '/') {
			return v.Source + rest
		}
	}
	t.Fatalf("%s is not mounted: %v", path, s.Volumes)
	return ""
}

// TestPrometheusFindsItsRules checks what Prometheus would read, in the folder
// in which it would.
func TestPrometheusFindsItsRules(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skipf("SKIPPED promtool: it is not installed (scripts/servers.sh does it): %v", err)
	}
	s := load(t, "monitoring").Services["prometheus"]
	dir := t.TempDir()
	for _, name := range []string{"prometheus.yml", "alerts.yml"} {
		text, err := os.ReadFile(source(t, s, "/etc/prometheus/"+name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(promtool, "check", "config", filepath.Join(dir, "prometheus.yml")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "rules found") {
		t.Errorf("promtool check config: %v\n%s", err, out)
	}
}

// TestGrafanaIsProvisioned follows the files as Grafana would: to a Prometheus
// that there is, and to the dashboard.
func TestGrafanaIsProvisioned(t *testing.T) {
	project := load(t, "monitoring")
	grafana := project.Services["grafana"]
	var sources struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct {
			Name, Type, Access, URL string
			IsDefault               bool              `yaml:"isDefault"`
			JSON                    map[string]string `yaml:"jsonData"`
		}
	}
	strictly(t, source(t, grafana, "/etc/grafana/provisioning/datasources/prometheus.yaml"), &sources)
	if len(sources.Datasources) != 1 || sources.Datasources[0].Type != "prometheus" || sources.APIVersion != 1 {
		t.Fatalf("the data sources are %+v", sources)
	}
	to := strings.TrimPrefix(sources.Datasources[0].URL, "http://")
	listens := slices.ContainsFunc(project.Services["prometheus"].Ports, func(p types.ServicePortConfig) bool {
		return to == "prometheus:"+p.Published && p.Target == 9090
	})
	if !listens {
		t.Errorf("nothing listens on %s", to)
	}
	var dashboards struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name, Type string
			Updates    bool `yaml:"allowUiUpdates"`
			Options    struct{ Path string }
		}
	}
	strictly(t, source(t, grafana, "/etc/grafana/provisioning/dashboards/processor.yaml"), &dashboards)
	if len(dashboards.Providers) != 1 || dashboards.Providers[0].Type != "file" {
		t.Fatalf("the dashboards are %+v", dashboards)
	}
	home := grafana.Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
	if home == nil || *home != dashboards.Providers[0].Options.Path+"/processor.json" {
		t.Fatalf("the first dashboard is not one of %s", dashboards.Providers[0].Options.Path)
	}
	text, err := os.ReadFile(source(t, grafana, *home))
	if err != nil {
		t.Fatal(err)
	}
	var board struct{ Title string }
	if err := json.Unmarshal(text, &board); err != nil || board.Title != "Processor" {
		t.Errorf("the dashboard is %q: %v", board.Title, err)
	}
}

func strictly(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalWithOptions(text, into, yaml.Strict()); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}
