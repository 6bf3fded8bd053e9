// Command main cross-checks our log against golang.org/x/mod/sumdb:
//
//	main vectors             prints golden vectors as JSON
//	main verify DIR VKEY     verifies a log directory with sumdb/tlog and sumdb/note
//
// Run with GO111MODULE=off GOPATH=/usr/share/gocode (Debian: golang-go, golang-golang-x-mod-dev).
package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type storage struct{ hashes []tlog.Hash }

func (s *storage) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if index >= int64(len(s.hashes)) {
			return nil, errors.New("hash outside the tree")
		}
		out[i] = s.hashes[index]
	}
	return out, nil
}

func (s *storage) add(n int64, data []byte) {
	hashes, err := tlog.StoredHashes(n, data, s)
	check(err)
	s.hashes = append(s.hashes, hashes...)
}

func entry(n int) []byte { return []byte(fmt.Sprintf("entry %d", n)) }

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// C2SP paths leave out the tile height that sumdb's own paths carry.
func path(tile tlog.Tile) string { return strings.Replace(tile.Path(), "tile/8/", "tile/", 1) }

func strs(hashes []tlog.Hash) []string {
	out := []string{}
	for _, hash := range hashes {
		out = append(out, hash.String())
	}
	return out
}

type object map[string]interface{}

func vectors() {
	const total = 70000
	s := &storage{}
	for n := 0; n < total; n++ {
		s.add(int64(n), entry(n))
	}
	root := func(size int64) string {
		hash, err := tlog.TreeHash(size, s)
		check(err)
		return hash.String()
	}
	roots := []object{}
	for _, size := range []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 100, 255, 256, 257, 511, 512, 513, 1000, 65535, 65536, 65537, total} {
		roots = append(roots, object{"size": size, "root": root(size)})
	}
	inclusion := []object{}
	for _, c := range [][2]int64{{0, 1}, {0, 2}, {1, 2}, {2, 3}, {0, 7}, {6, 7}, {3, 8}, {255, 256}, {256, 257}, {0, 513}, {512, 513}, {300, 1000}, {999, 1000}, {65536, 65537}, {12345, total}, {69999, total}} {
		proof, err := tlog.ProveRecord(c[1], c[0], s)
		check(err)
		inclusion = append(inclusion, object{"index": c[0], "size": c[1], "proof": strs(proof)})
	}
	consistency := []object{}
	for _, c := range [][2]int64{{1, 2}, {1, 3}, {2, 3}, {3, 7}, {4, 7}, {4, 8}, {6, 8}, {7, 7}, {255, 256}, {256, 257}, {256, 1000}, {511, 513}, {300, 1000}, {65536, 65537}, {1000, total}, {65536, total}, {69999, total}} {
		proof, err := tlog.ProveTree(c[1], c[0], s)
		check(err)
		consistency = append(consistency, object{"oldSize": c[0], "size": c[1], "proof": strs(proof)})
	}
	tiles := []object{}
	for _, tile := range []tlog.Tile{{H: 8, L: 0, N: 0, W: 256}, {H: 8, L: 0, N: 273, W: 112}, {H: 8, L: 1, N: 0, W: 256}, {H: 8, L: 1, N: 1, W: 17}, {H: 8, L: 2, N: 0, W: 1}} {
		data, err := tlog.ReadTileData(tile, s)
		check(err)
		sum := sha256.Sum256(data)
		tiles = append(tiles, object{"level": tile.L, "index": tile.N, "width": tile.W, "path": path(tile), "sha256": hex.EncodeToString(sum[:])})
	}
	paths := []object{}
	for _, tile := range []tlog.Tile{{H: 8, L: 0, N: 0, W: 256}, {H: 8, L: 3, N: 1234067, W: 8}, {H: 8, L: 0, N: 1000, W: 256}, {H: 8, L: 5, N: 999, W: 255}, {H: 8, L: 0, N: 123456789, W: 256}} {
		paths = append(paths, object{"level": tile.L, "index": tile.N, "width": tile.W, "path": path(tile)})
	}
	print(object{"entries": "entry <index>, decimal, UTF-8", "roots": roots, "inclusion": inclusion, "consistency": consistency,
		"tiles": tiles, "paths": paths, "notes": notes(root(total), total)})
}

func notes(root string, size int64) []object {
	out := []object{}
	for i, name := range []string{"postern.local/abcdefgh", "example.com/log"} {
		seed := sha256.Sum256([]byte(name))
		private := ed25519.NewKeyFromSeed(seed[:])
		public := private.Public().(ed25519.PublicKey)
		vkey, err := note.NewEd25519VerifierKey(name, public)
		check(err)
		verifier, err := note.NewVerifier(vkey)
		check(err)
		key := append([]byte{1}, seed[:]...)
		signer, err := note.NewSigner(fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", name, verifier.KeyHash(), base64.StdEncoding.EncodeToString(key)))
		check(err)
		text := fmt.Sprintf("%s\n%d\n%s\n", name, size+int64(i), root)
		signed, err := note.Sign(&note.Note{Text: text}, signer)
		check(err)
		out = append(out, object{"name": name, "seed": base64.StdEncoding.EncodeToString(seed[:]), "verifierKey": vkey, "text": text, "signed": string(signed)})
	}
	return out
}

func print(value object) {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	encoder.SetEscapeHTML(false)
	check(encoder.Encode(value))
}

// verify recomputes the tree from the entry bundles and compares every tile, the root and the signature.
func verify(dir, vkey string) {
	verifier, err := note.NewVerifier(vkey)
	check(err)
	signed, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	check(err)
	opened, err := note.Open(signed, note.VerifierList(verifier))
	check(err)
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		check(errors.New("not a checkpoint of this log"))
	}
	var size int64
	_, err = fmt.Sscan(lines[1], &size)
	check(err)
	s := &storage{}
	for n := int64(0); n*256 < size; n++ {
		tile := tlog.Tile{H: 8, L: 0, N: n, W: 256}
		if size-n*256 < 256 {
			tile.W = int(size - n*256)
		}
		bundle, err := os.ReadFile(filepath.Join(dir, strings.Replace(path(tile), "tile/0/", "tile/entries/", 1)))
		check(err)
		for i := 0; i < tile.W; i++ {
			length := int(binary.BigEndian.Uint16(bundle))
			s.add(n*256+int64(i), bundle[2:2+length])
			bundle = bundle[2+length:]
		}
		if len(bundle) != 0 {
			check(fmt.Errorf("bundle %d has surplus bytes", n))
		}
	}
	root, err := tlog.TreeHash(size, s)
	check(err)
	if root.String() != lines[2] {
		check(errors.New("the root does not fit"))
	}
	wanted := map[string]tlog.Tile{}
	for _, tile := range tlog.NewTiles(8, 0, size) {
		wanted[fmt.Sprintf("%d/%d", tile.L, tile.N)] = tile // the widest comes last
	}
	for _, tile := range wanted {
		want, err := tlog.ReadTileData(tile, s)
		check(err)
		have, err := os.ReadFile(filepath.Join(dir, path(tile)))
		check(err)
		if string(have) != string(want) {
			check(fmt.Errorf("%s differs", path(tile)))
		}
	}
	print(object{"ok": true, "size": size, "root": root.String(), "tiles": len(wanted)})
}

func main() {
	switch {
	case len(os.Args) == 2 && os.Args[1] == "vectors":
		vectors()
	case len(os.Args) == 4 && os.Args[1] == "verify":
		verify(os.Args[2], os.Args[3])
	default:
		check(errors.New("usage: main vectors | main verify DIR VKEY"))
	}
}
