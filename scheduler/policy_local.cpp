// `local`: every source computes its own frames, whole; the baseline "Local" of Li, Seferoglu, Koyuncu, section 5.
// Several streams at one node: the longest queue first; among equals the one that waited longest.
#include "scheduler/policies.hpp"

namespace eddy::scheduler {

QueueKind LocalPolicy::admit(const SourceView&) const { return QueueKind::local; }

std::optional<Pick> LocalPolicy::pick(std::span<const SourceView> views) const {
    const SourceView* best = nullptr;
    for (const auto& view : views) {
        if (view.local == 0) continue;
        if (best == nullptr || view.local > best->local || (view.local == best->local && view.served < best->served))
            best = &view;
    }
    if (best != nullptr) return Pick{best->source, QueueKind::local};
    // Frames of others may still be here after a change of policy somewhere; they are not left to rot.
    for (const auto& view : views)
        if (view.distributed > 0 && view.servable) return Pick{view.source, QueueKind::distributed};
    return std::nullopt;
}

}  // namespace eddy::scheduler
