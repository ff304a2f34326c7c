#include "row_world.hpp"

#include <algorithm>

namespace eddy::test {

TensorRef RowWorld::tensor(const RowTensor& like) { return {meta_of(*graph_, like), BufferId{++buffers_}, like.bytes}; }

void RowWorld::propose(size_t source, RowPlan plan) {
    if (plan.devices.empty())
        for (const RowNode& node : nodes_) plan.devices.push_back(node.id);
    flows(source).propose(std::move(plan), now, node(source).sink);
    after(source);
}

void RowWorld::capture(size_t source, uint64_t k) {
    const ValueId input = graph_->inputs().front();
    const auto& value = graph_->value(input);
    const auto rows = static_cast<uint32_t>(graph::row_count(value));
    const auto raw = tensor({input, {0, rows}, value.bytes, rows});
    node(source).buffers.adopt(raw);
    node(source).ledger[frame(source, k)] = {raw, 0};
    begin(frame(source, k));
}

void RowWorld::begin(const FrameId& id) {
    const size_t source = index(id.source.node);
    auto& [raw, attempts] = node(source).ledger.at(id);
    flows(source).begin(id, ++attempts, raw, {}, now);
    after(source);
}

void RowWorld::settle(const FrameId& id) {
    const size_t source = index(id.source.node);
    flows(source).forget(id, node(source).sink);
    node(source).buffers.release(node(source).ledger.at(id).first, node(source).sink);
    node(source).ledger.erase(id);
    after(source);
}

void RowWorld::lose(size_t gone) {
    node(gone).lost = true;
    const auto of_it = [&](const auto& each) { return each.first == gone; };
    std::erase_if(compiles, of_it);
    std::erase_if(jobs, of_it);
    std::erase_if(parcels, [&](const Parcel& each) { return each.from == gone || index(each.out.to) == gone; });
    for (size_t i = 0; i < nodes_.size(); ++i) {
        if (node(i).lost) continue;
        cut.insert(std::minmax(i, gone));
        flows(i).lost(node(gone).id, now, node(i).sink);
        after(i);
    }
}

void RowWorld::tick() {
    for (size_t i = 0; i < nodes_.size(); ++i)
        if (!node(i).lost) flows(i).tick(now, node(i).sink), after(i);
}

void RowWorld::step() {
    now += Usec{10};
    const size_t which = random_.below(parcels.size() + compiles.size() + jobs.size());
    if (which < parcels.size()) {
        size_t first = which;
        for (size_t i = 0; parcels[which].rows() == nullptr && i < first; ++i)
            if (parcels[i].rows() == nullptr && parcels[i].from == parcels[which].from &&
                parcels[i].out.to == parcels[which].out.to)
                first = i;
        deliver(first);
    } else if (which < parcels.size() + compiles.size()) {
        compiled(which - parcels.size());
    } else {
        computed(which - parcels.size() - compiles.size());
    }
}

void RowWorld::deliver(size_t which) {
    const Parcel parcel = parcels[which];
    parcels.erase(parcels.begin() + static_cast<std::ptrdiff_t>(which));
    give(index(parcel.out.to), parcel.from, parcel.out.message, parcel.out.tensors);
}

void RowWorld::give(size_t to, size_t from, const Message& message, std::vector<TensorRef> tensors) {
    RowNode& at = node(to);
    if (at.lost || !linked(to, from)) return;
    const NodeId& peer = node(from).id;
    for (TensorRef& each : tensors) each.buffer = BufferId{++buffers_};
    at.buffers.adopt(tensors);
    if (const auto* rows = std::get_if<msg::Rows>(&message))
        at.offences += at.flows->on(peer, *rows, tensors, now, at.sink) ? 0 : 1;
    else if (const auto* prepare = std::get_if<msg::PlanPrepare>(&message))
        at.flows->on(peer, *prepare, now, at.sink);
    else if (const auto* answer = std::get_if<msg::PlanAnswer>(&message))
        at.flows->on(peer, *answer, now, at.sink);
    else if (const auto* retire = std::get_if<msg::PlanRetire>(&message))
        at.flows->on(peer, *retire, at.sink);
    else
        at.flows->on(peer, std::get<msg::RowsCancel>(message), at.sink);
    after(to);
}

void RowWorld::compiled(size_t which, const std::string& failure) {
    const auto [at, plan] = compiles[which];
    compiles.erase(compiles.begin() + static_cast<std::ptrdiff_t>(which));
    flows(at).compiled({plan, failure}, now, node(at).sink);
    after(at);
}

void RowWorld::computed(size_t which, const std::string& failure, Usec busy) {
    const auto [at, job] = jobs[which];
    jobs.erase(jobs.begin() + static_cast<std::ptrdiff_t>(which));
    RowNode& here = node(at);
    --here.running;
    ev::Computed done;
    done.job = job.id;
    done.failure = failure;
    done.busy = busy;
    if (failure.empty() && job.ends_model) done.inference = Inference{};
    if (failure.empty() && !job.ends_model)
        for (const RowTensor& made : order(at, job).outputs) done.outputs.push_back(tensor(made));
    here.buffers.adopt(done.outputs);
    const auto ended = here.flows->computed(done, now, here.sink);
    if (ended) CHECK(results.insert(ended->frame).second);
    if (ended) alone |= ended->alone;
    if (ended) settle(ended->frame);
    after(at);
}

const UnitOrder& RowWorld::order(size_t at, const Job& job) {
    const auto& known = node(at).sink.compiled;
    const auto found =
        std::find_if(known.begin(), known.end(), [&](const auto& each) { return each.first == job.units.plan; });
    REQUIRE(found != known.end());
    return found->second.at(job.units.first);
}

void RowWorld::start(size_t at) {
    RowNode& here = node(at);
    const auto job = here.flows->take(JobId{++here.jobs}, now);
    REQUIRE(job);
    CHECK(std::count(here.sink.forgotten.begin(), here.sink.forgotten.end(), job->units.plan) == 0);
    const UnitOrder& wanted = order(at, *job);
    CHECK(job->ends_model == (wanted.kind == UnitOrder::Kind::result));
    REQUIRE(job->inputs.size() == wanted.inputs.size());
    for (size_t i = 0; i < wanted.inputs.size(); ++i) {
        CHECK(job->inputs[i].meta.value == wanted.inputs[i].value);
        CHECK(job->inputs[i].meta.rows == wanted.inputs[i].rows);
        CHECK(job->inputs[i].bytes == wanted.inputs[i].bytes);
    }
    jobs.emplace_back(at, *job);
    ++here.running;
}

bool RowWorld::clean() {
    for (RowNode& each : nodes_)
        if (!each.lost && (each.flows->held_tensors() != 0 || each.buffers.count() != 0)) return false;
    return true;
}

void RowWorld::after(size_t i) {
    RowNode& at = node(i);
    for (const FrameId& id : at.flows->take_broken()) at.broken.push_back(id);
    for (node::RowsOut& out : at.flows->take_outbox()) {
        at.buffers.release(out.tensors, at.sink);
        if (!node(index(out.to)).lost) parcels.push_back({i, std::move(out)});
    }
    for (; at.compiles_seen < at.sink.compiled.size(); ++at.compiles_seen)
        compiles.emplace_back(i, at.sink.compiled[at.compiles_seen].first);
    while (at.running < lanes_ && at.flows->weight() > 0) start(i);
    at.flows->check_invariants();
    CHECK(at.flows->jobs() == at.running);
    CHECK(at.buffers.holders() == at.flows->held_tensors() + at.ledger.size());
}

}  // namespace eddy::test
