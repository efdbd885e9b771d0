// SPDX-License-Identifier: Apache-2.0
// Where the sums of what arrives lie.
//
// Neurons are cut into tiles: tile k of T holds the groups [g * k / T, g * (k + 1) / T) of 16
// neurons of every population (g: its number of groups), so that tiles are alike.  The accumulators
// of a tile, for every port one per neuron, stay in L1 while its spikes are summed.  A synapse
// belongs to the tile of its target.
#pragma once

#include <vector>

#include "../kernels.h"
#include "../memory.h"

namespace fastsnn::sparse {

inline constexpr std::int64_t most_places = 65536; // of a tile, for a place is 16 bits

// where spikes arrive: receptor 0 is i_syn, k + 1 the model's k-th receptor
struct Port {
  int population = 0, receptor = 0;
};

struct Place {
  std::uint16_t tile, at;
};

class Layout {
public:
  // n: neurons of each population
  Layout(std::vector<std::int64_t> n, std::vector<Port> ports, int n_tiles);

  int n_tiles() const { return n_tiles_; }
  int n_ports() const { return static_cast<int>(ports_.size()); }
  const Port &port(int p) const { return ports_[p]; }
  // sources are all neurons, numbered through
  std::int64_t n_sources() const { return first_.back(); }
  std::int64_t first_source(int population) const { return first_[population]; }
  // neurons of a population that lie in a tile
  Range part(int population, int tile) const;
  // accumulators of a tile, a multiple of 16; where those of a port begin
  std::int64_t n_places(int tile) const { return begin_[tile].back(); }
  std::int64_t begin(int port, int tile) const { return begin_[tile][port]; }
  Place place(int port, std::int64_t j) const {
    const Place group = places_[port][j / group_size];
    return {group.tile, static_cast<std::uint16_t>(group.at + j % group_size)};
  }

private:
  std::vector<std::int64_t> n_;
  std::vector<Port> ports_;
  int n_tiles_;
  std::vector<std::int64_t> first_;              // [populations + 1]
  std::vector<std::vector<std::int64_t>> begin_; // [tile][port], then the end
  std::vector<std::vector<Place>> places_;       // [port][group]
};

// Synapses of one tile.  A row is what one source has there, in words of 32 bits: first_delay |
// n_delays << 16; uint16 numbers of synapses with the delays first_delay, first_delay + 1, ...;
// then the synapses by ascending delay: place | int16 weight << 16.  A row without synapses takes
// no words.
struct Rows {
  Buffer<std::uint32_t> words;
  Buffer<std::uint64_t> start; // [n_sources + 1], in words
  std::int32_t ahead = 1;      // rows to fetch from memory before they are needed
};

} // namespace fastsnn::sparse
