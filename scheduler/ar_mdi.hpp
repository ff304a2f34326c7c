// AR-MDI: how many layers a node takes of a frame (Li, Seferoglu, Koyuncu, equation 1).
//
//   ρ_n = W · (1/γ_n) / Σ_m (1/γ_m), rounded to a feasible cut
//
// Rounding every share by itself would leave gaps and overlaps, so Eddy shares out the *rest*: the node n that holds a
// frame of source i at layer s takes the feasible cut nearest to W_rest·(1/γ_n) / Σ(1/γ_m), m over the members in ring
// order from n up to, not including, i. Whatever each node believes of the others, nothing is skipped or done twice.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "eddy/config.hpp"
#include "eddy/profile.hpp"

namespace eddy::scheduler {

/// The chain's running sums, so that a share costs one pass over the cuts.
class ChainCosts {
public:
    ChainCosts() = default;
    explicit ChainCosts(const ModelProfile& profile);

    /// From now on these are the layers' times.
    void measured(std::span<const double> layer_s);

    [[nodiscard]] uint16_t layers() const {
        return static_cast<uint16_t>(frontier_bytes_.empty() ? 0 : frontier_bytes_.size() - 1);
    }
    /// Parameters of layers [first, last).
    [[nodiscard]] uint64_t parameters(uint16_t first, uint16_t last) const {
        return parameters_before_[last] - parameters_before_[first];
    }
    [[nodiscard]] Usec time(uint16_t first, uint16_t last) const { return time_before_[last] - time_before_[first]; }
    [[nodiscard]] uint64_t frontier_bytes(uint16_t cut) const { return frontier_bytes_[cut]; }

private:
    std::vector<uint64_t> parameters_before_;  ///< layers + 1 entries
    std::vector<Usec> time_before_;            ///< layers + 1 entries
    std::vector<uint64_t> frontier_bytes_;     ///< layers + 1 entries; the last is 0: only the result leaves
};

/// The cut up to which the holder of a frame at `layer` computes; in [layer, layers]. `layer` itself is legal and
/// means: pass it on untouched. `gammas_s_per_parameter`: γ of the holder first, then of the members it may still meet
/// before the source; a γ that is not positive and finite belongs to a node that cannot compute. Among cuts equally
/// near (layers without parameters lie between them) the one with the smallest frontier wins, then the furthest.
/// `measured`: W is measured time instead of parameters. The shares stay 1/γ: over one chain γ is proportional to the
/// time of the whole model.
[[nodiscard]] uint16_t ar_mdi_cut(const ChainCosts& costs, uint16_t layer,
                                  std::span<const double> gammas_s_per_parameter,
                                  SharesKind shares = SharesKind::parameters);

}  // namespace eddy::scheduler
