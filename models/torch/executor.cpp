#include "models/torch/executor.hpp"

#include <algorithm>

namespace eddy::torch_exec {

namespace {

/// After so many runs the counts are halved: what was hot long ago gives way.
constexpr uint32_t cooling_runs = 1024;

/// The tensors in the order the graph names them.
Result<std::vector<HostTensor>> in_order(const std::vector<ValueId>& wanted, std::span<const HostTensor> given) {
    if (given.size() != wanted.size())
        return invalid("the run takes " + std::to_string(wanted.size()) + " tensors, was given " +
                       std::to_string(given.size()));
    std::vector<HostTensor> ordered;
    ordered.reserve(wanted.size());
    for (const ValueId id : wanted) {
        const auto found =
            std::find_if(given.begin(), given.end(), [&](const HostTensor& t) { return t.meta.value == id; });
        if (found == given.end())
            return invalid("the run needs value " + std::to_string(id.value) + ", which is missing");
        ordered.push_back(*found);
    }
    return ordered;
}

}  // namespace

Executor::Executor(std::shared_ptr<UnitCache> cache, const ExecutorOptions& options)
    : cache_(std::move(cache)), options_(options) {}

Status Executor::check_range(uint32_t first, uint32_t last) const {
    const size_t layers = model().chain().layers().size();
    if (first >= last || last > layers)
        return invalid("layers " + std::to_string(first) + " to " + std::to_string(last) + " are not a run of the " +
                       std::to_string(layers) + " there are");
    const LayerRange kept = model().kept();
    if (first < kept.first || last > kept.last)
        return unsupported("layers " + std::to_string(first) + " to " + std::to_string(last) +
                           ": the weights of some are not kept in memory");
    return success();
}

const UnitSpec& Executor::spec_of(Piece piece) {
    const auto found = specs_.find(piece);
    if (found != specs_.end()) return found->second;
    const graph::Chain& chain = model().chain();
    return specs_.emplace(piece, unit_between(model().graph(), chain.cut(piece.first), chain.cut(piece.second)))
        .first->second;
}

uint64_t Executor::estimated_bytes(Piece piece) const {
    uint64_t bytes = 0;
    for (uint32_t l = piece.first; l < piece.second; ++l) bytes += model().chain().layers()[l].weight_bytes;
    return bytes + bytes / 8;
}

Status Executor::prepare(uint32_t first, uint32_t last) {
    if (auto checked = check_range(first, last); !checked) return checked;
    bind_lane_thread(options_.threads);
    auto unit = cache_->get(spec_of({first, last}));
    if (!unit) return unit.error();
    if (last - first > 1) cache_->fused_runs().add({first, last});
    return success();
}

Status Executor::prepare_layers() {
    for (uint32_t l = model().kept().first; l < model().kept().last; ++l)
        if (auto prepared = prepare(l, l + 1); !prepared) return prepared;
    return success();
}

void Executor::count_run(Piece run) {
    ++heat_[run];
    if (++runs_ % cooling_runs != 0) return;
    for (auto& [piece, heat] : heat_) heat /= 2;
}

bool Executor::displace_colder(uint32_t heat, uint64_t bytes_needed) {
    const auto limit =
        static_cast<uint64_t>(static_cast<double>(cache_->stats().bytes_max) * options_.fuse_bytes_share);
    while (cache_->stats().bytes + bytes_needed > limit) {
        const auto fused = cache_->fused_runs().all();
        const auto coldest =
            std::min_element(fused->begin(), fused->end(), [&](Piece a, Piece b) { return heat_[a] < heat_[b]; });
        // A run must be twice as hot to take another's place: two equal ones do not drive each other out in turns.
        if (coldest == fused->end() || heat_[*coldest] * 2 >= heat) return false;
        cache_->evict(spec_of(*coldest));
        cache_->fused_runs().remove(*coldest);
    }
    return true;
}

void Executor::fuse_if_hot(Piece run) {
    if (run.second - run.first < 2 || heat_[run] < options_.fuse_after_runs) return;
    if (cache_->fused_runs().all()->count(run) != 0) return;
    if (!displace_colder(heat_[run], estimated_bytes(run))) return;
    if (cache_->get(spec_of(run))) cache_->fused_runs().add(run);
}

std::vector<Executor::Piece> Executor::cover(Piece run) const {
    // Fewest pieces from the run's start to each layer; single layers make sure that there is a way.
    const auto fused_runs = cache_->fused_runs().all();
    const uint32_t length = run.second - run.first;
    std::vector<uint32_t> pieces(length + 1, UINT32_MAX);
    std::vector<uint32_t> from(length + 1, 0);
    pieces[0] = 0;
    for (uint32_t end = 1; end <= length; ++end) {
        pieces[end] = pieces[end - 1] + 1;
        from[end] = end - 1;
        for (const Piece& fused : *fused_runs) {
            if (fused.first < run.first || fused.second != run.first + end) continue;
            const uint32_t begin = fused.first - run.first;
            if (pieces[begin] + 1 < pieces[end]) {
                pieces[end] = pieces[begin] + 1;
                from[end] = begin;
            }
        }
    }
    std::vector<Piece> way;
    for (uint32_t end = length; end > 0; end = from[end]) way.emplace_back(run.first + from[end], run.first + end);
    std::reverse(way.begin(), way.end());
    return way;
}

Result<std::vector<std::shared_ptr<const Unit>>> Executor::units_for(Piece run, bool single_layers) {
    std::vector<Piece> way;
    if (single_layers)
        for (uint32_t l = run.first; l < run.second; ++l) way.emplace_back(l, l + 1);
    else
        way = cover(run);
    std::vector<std::shared_ptr<const Unit>> units;
    for (const Piece& piece : way) {
        if (piece.second - piece.first == 1) {
            auto unit = cache_->get(spec_of(piece));
            if (!unit) return unit.error();
            units.push_back(*unit);
        } else if (auto unit = cache_->find(spec_of(piece))) {
            units.push_back(std::move(unit));
        } else {  // evicted by another lane's needs: look for another way, of which there are finitely many
            cache_->fused_runs().remove(piece);
            return units_for(run, single_layers);
        }
    }
    return units;
}

Result<RunResult> Executor::run(uint32_t first, uint32_t last, std::span<const HostTensor> inputs, bool measure) {
    if (auto checked = check_range(first, last); !checked) return checked.error();
    bind_lane_thread(options_.threads);
    const Piece run{first, last};
    if (!measure) {
        count_run(run);
        fuse_if_hot(run);
    }
    auto units = units_for(run, measure);
    if (!units) return units.error();
    auto tensors = in_order((*units).front()->spec().inputs, inputs);
    if (!tensors) return tensors.error();
    RunResult result;
    auto outputs = Unit::run_sequence(*units, *tensors, measure ? &result.layer_times : nullptr);
    if (!outputs) return outputs.error();
    result.outputs = *std::move(outputs);
    return result;
}

}  // namespace eddy::torch_exec
