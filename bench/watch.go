package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"
)

// What it costs to be watched: W1 with and without a server that is scraped, in
// turns. A ratio of pairs holds when the machine's speed drifts.

// scrapeEvery is far more often than anybody scrapes: W1 lasts but seconds.
const scrapeEvery = 250 * time.Millisecond

// pair is a watched run as a share of the plain one beside it.
type pair struct{ wall, cpu float64 }

// measureWatched prints what metrics, hooks and scrapes cost.
func measureWatched(ctx context.Context, o options) error {
	plain := workloads(o)[0]
	if err := plain.prepare(ctx); err != nil {
		return err
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	watched := plain
	watched.env = append(append([]string(nil), plain.env...), "PROCESSOR_SERVER__LISTEN="+address)
	var pairs []pair
	scrapes := 0
	for i := range o.runs + 1 {
		a, err := measure(ctx, o, plain)
		if err != nil {
			return err
		}
		var b sample
		n := scraping(ctx, "http://"+address+"/metrics", func() { b, err = measure(ctx, o, watched) })
		if err != nil {
			return err
		}
		if i == 0 {
			continue // the first pair warms the machine
		}
		scrapes += n
		pairs = append(pairs, pair{b.wall.Seconds() / a.wall.Seconds(), b.cpu.Seconds() / a.cpu.Seconds()})
		fmt.Fprintf(os.Stderr, "plain %s, watched %s, %d scrapes\n", a.wall.Round(time.Millisecond), b.wall.Round(time.Millisecond), n)
	}
	if scrapes == 0 {
		return errors.New("nothing was scraped: the runs are too short; raise -events")
	}
	fmt.Println("W1 with a server that is scraped every " + scrapeEvery.String() + ", as a share of W1 without, median of " + strconv.Itoa(o.runs) + " pairs:")
	fmt.Println()
	fmt.Println("| time | CPU | scrapes |")
	fmt.Println("|--:|--:|--:|")
	fmt.Printf("| %.3f | %.3f | %d |\n", median(pairs, func(p pair) float64 { return p.wall }), median(pairs, func(p pair) float64 { return p.cpu }), scrapes)
	return nil
}

// scraping fetches a URL again and again while work runs, and returns how often
// there was an answer.
func scraping(ctx context.Context, url string, work func()) (n int) {
	ctx, stop := context.WithCancel(ctx)
	var scraper sync.WaitGroup
	scraper.Go(func() {
		tick := time.NewTicker(scrapeEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if fetch(ctx, url) == nil {
					n++
				}
			}
		}
	})
	work()
	stop()
	scraper.Wait()
	return n
}

func fetch(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, response.Status)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// freeAddress is one that nobody listens on at the moment.
func freeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
