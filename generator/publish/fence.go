package publish

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// fence makes sure that no earlier connection of this run still has a batch on its way: Redis may not have read
// yet what was sent before the connection broke, and would carry it out after it has told us that the batch did
// not arrive. Redis is asked to close such connections. They are found by the client name, which only this run
// has.
//
// A Redis that does not permit CLIENT LIST or CLIENT KILL is left unfenced: a batch can then be doubled, if Redis
// hung for longer than the time-out and the connection's bytes were still under way.
func (s *stream) fence(ctx context.Context) error {
	err := s.closeOthers(ctx)
	if err == nil || answered(err) {
		return nil
	}
	return fmt.Errorf("close the broken connection: %w", err)
}

func (s *stream) closeOthers(ctx context.Context) error {
	own, err := s.p.client.ClientID(ctx).Result()
	if err != nil {
		return err
	}
	list, err := s.p.client.ClientList(ctx).Result()
	if err != nil {
		return err
	}
	for _, id := range sameName(list, s.p.client.Options().ClientName) {
		if id == own {
			continue
		}
		err := s.p.client.ClientKillByFilter(ctx, "ID", strconv.FormatInt(id, 10)).Err()
		if err != nil {
			return err
		}
	}
	return nil
}

// sameName finds the connections called name in Redis's CLIENT LIST, which has a line of key=value words for each.
func sameName(list, name string) []int64 {
	var ids []int64
	for line := range strings.Lines(list) {
		var id int64
		named := false
		for word := range strings.FieldsSeq(line) {
			switch key, value, _ := strings.Cut(word, "="); key {
			case "id":
				id, _ = strconv.ParseInt(value, 10, 64) // 0 if it is none, which no connection has
			case "name":
				named = value == name
			}
		}
		if named && id > 0 {
			ids = append(ids, id)
		}
	}
	return ids
}
