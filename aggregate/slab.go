package aggregate

// pageSlots is the number of slots in a page: few enough that a query with a
// handful of groups stays small, enough that growing is rare.
const (
	pageShift = 8
	pageSlots = 1 << pageShift
	pageMask  = pageSlots - 1
)

// slab holds one T a slot in pages, so that growing never copies. T has no
// pointers, so the garbage collector has nothing to scan.
type slab[T any] struct{ pages []*[pageSlots]T }

// at returns a slot, which must be below what grow was told.
func (s *slab[T]) at(slot uint32) *T { return &s.pages[slot>>pageShift][slot&pageMask] }

// grow makes slots below n usable.
func (s *slab[T]) grow(n uint32) {
	for uint32(len(s.pages))<<pageShift < n {
		s.pages = append(s.pages, new([pageSlots]T))
	}
}

// zero zeroes the slots below n.
func (s *slab[T]) zero(n uint32) {
	for _, page := range s.pages {
		if n <= pageSlots {
			clear(page[:n])
			return
		}
		clear(page[:])
		n -= pageSlots
	}
}

// bytes is the memory held, for a T of the given size.
func (s *slab[T]) bytes(size int) int { return len(s.pages) * (pageSlots*size + 8) }
