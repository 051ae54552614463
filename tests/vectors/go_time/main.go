// Writes go_time.json: times as Go formats them after many layouts.
//
//	go run . > ../go_time.json
package main

import (
	"encoding/json"
	"log"
	"os"
	"time"
)

type entry struct {
	Layout string `json:"layout"`
	// The texts for the times of `times`, one after the other.
	Texts []string `json:"texts"`
}

type moment struct {
	Unix   int64  `json:"unix"`
	Nanos  int    `json:"nanos"`
	Offset int    `json:"offset"`
	Zone   string `json:"zone"`
}

func main() {
	moments := []moment{
		{1_700_000_000, 0, 0, "UTC"},
		{1_136_239_445, 123_000_000, -25_200, "MST"},
		{1_709_251_199, 999_000_000, 3_600, "CET"},
		{1_735_689_599, 50_000_000, -12_600, "-0330"},
		{951_782_400, 7_000_000, 20_700, "+0545"},
		{1_767_225_600, 0, 0, "UTC"},
	}
	layouts := []string{
		"snmp-20060102.log", "snmp-2006-01-02_15-04-05.csv", "kcp.log", "06-1-2", "_2 Jan 2006",
		"Monday, January 2 2006", "Mon Jan _2 15:04:05 2006", "Mon Jan 2 15:04:05 -0700 MST 2006",
		"002", "__2", "_2006", "__2006", "3:04PM", "03:4:5 pm", "15h", "1", "11", "0102150405",
		"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05.999999999Z07:00", "Z0700 Z07 Z070000 Z07:00:00",
		"-0700 -07:00 -07 -070000 -07:00:00", "05.000", "05.999", "05,000000", "05,99", ".000x", "5.0001",
		"May Month Monkey Janet Januarys Montag", "Z", "P", "AM", "pM", "2021", "2007", "20063", "007", "000",
		"year2006month01", "%Y%m%d", "12345", "_", "__", "-", "-06", "0", "", "日本2006年1月2日",
		"MSTX", "Jan2", "JanX", "Jana", "Mona", "MonA", "150405", "002006", "20060102-150405-0700",
	}
	entries := []entry{}
	for _, layout := range layouts {
		texts := []string{}
		for _, m := range moments {
			zone := time.FixedZone(m.Zone, m.Offset)
			texts = append(texts, time.Unix(m.Unix, int64(m.Nanos)).In(zone).Format(layout))
		}
		entries = append(entries, entry{layout, texts})
	}
	err := json.NewEncoder(os.Stdout).Encode(map[string]any{"times": moments, "layouts": entries})
	if err != nil {
		log.Fatal(err)
	}
}
