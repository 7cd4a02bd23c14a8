package dedup

import "testing"

func TestIDsOfUUIDsArePacked(t *testing.T) {
	const uuid = "d6ce70d5-c477-5493-a4f9-fccef14f3db9"
	if got := idOf(uuid).String(); got != "d6ce70d5c4775493a4f9fccef14f3db9" {
		t.Error(got)
	}
	// Other spellings are other keys.
	seen := map[id]string{idOf(uuid): uuid}
	for _, k := range []string{"", "a", "D6CE70D5-C477-5493-A4F9-FCCEF14F3DB9", "d6ce70d5c4775493a4f9fccef14f3db9", uuid + " "} {
		if other, ok := seen[idOf(k)]; ok {
			t.Errorf("%q and %q share an id", k, other)
		}
		seen[idOf(k)] = k
	}
}
