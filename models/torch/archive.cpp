#include "models/torch/archive.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <vector>

#include <openssl/evp.h>

namespace eddy::torch_exec {

namespace {

using DigestContext = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

DigestContext begin_digest() {
    DigestContext context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    EDDY_ASSERT(context != nullptr && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1);
    return context;
}

ContentHash end_digest(EVP_MD_CTX* context) {
    ContentHash hash;
    EDDY_ASSERT(EVP_DigestFinal_ex(context, hash.bytes.data(), nullptr) == 1);
    return hash;
}

// The parts of the zip format that bound what a reader will allocate (APPNOTE 6.3, sections 4.3.12 to 4.3.16).
constexpr uint32_t end_signature = 0x06054b50;
constexpr uint32_t entry_signature = 0x02014b50;
constexpr uint32_t end64_locator_signature = 0x07064b50;
constexpr uint32_t end64_signature = 0x06064b50;
constexpr size_t end_bytes = 22;
constexpr size_t entry_bytes = 46;
constexpr size_t end64_locator_bytes = 20;
constexpr size_t end64_bytes = 56;
constexpr uint64_t comment_bytes_max = 65535;
constexpr uint64_t directory_bytes_max = 16 << 20;

uint64_t little_endian(const std::vector<char>& data, size_t at, size_t count) {
    uint64_t number = 0;
    for (size_t i = 0; i < count; ++i) number |= uint64_t{static_cast<uint8_t>(data[at + i])} << (8 * i);
    return number;
}

struct Directory {
    uint64_t offset = 0;
    uint64_t bytes = 0;
    uint64_t entries = 0;
};

class Reader {
public:
    explicit Reader(const std::string& path) : file_(path, std::ios::binary | std::ios::ate) {
        if (file_) size_ = static_cast<uint64_t>(std::max<std::streamoff>(file_.tellg(), 0));
    }
    [[nodiscard]] bool ok() const { return static_cast<bool>(file_); }
    [[nodiscard]] uint64_t size() const { return size_; }

    bool read(uint64_t offset, uint64_t count, std::vector<char>& out) {
        if (offset > size_ || count > size_ - offset) return false;
        out.resize(count);
        file_.seekg(static_cast<std::streamoff>(offset));
        return static_cast<bool>(file_.read(out.data(), static_cast<std::streamsize>(count)));
    }

    bool find_directory(Directory& found) {
        const uint64_t tail_bytes = std::min(size_, end_bytes + comment_bytes_max);
        std::vector<char> tail;
        if (tail_bytes < end_bytes || !read(size_ - tail_bytes, tail_bytes, tail)) return false;
        for (size_t at = tail.size() - end_bytes + 1; at-- > 0;) {
            if (little_endian(tail, at, 4) != end_signature) continue;
            found.entries = little_endian(tail, at + 10, 2);
            found.bytes = little_endian(tail, at + 12, 4);
            found.offset = little_endian(tail, at + 16, 4);
            const uint64_t end_offset = size_ - tail_bytes + at;
            const bool wide = found.entries == 0xffff || found.bytes == 0xffffffff || found.offset == 0xffffffff;
            return !wide || find_wide_directory(end_offset, found);
        }
        return false;
    }

private:
    bool find_wide_directory(uint64_t end_offset, Directory& found) {
        std::vector<char> record;
        if (end_offset < end64_locator_bytes || !read(end_offset - end64_locator_bytes, end64_locator_bytes, record) ||
            little_endian(record, 0, 4) != end64_locator_signature)
            return false;
        const uint64_t at = little_endian(record, 8, 8);
        if (!read(at, end64_bytes, record) || little_endian(record, 0, 4) != end64_signature) return false;
        found.entries = little_endian(record, 32, 8);
        found.bytes = little_endian(record, 40, 8);
        found.offset = little_endian(record, 48, 8);
        return true;
    }

    std::ifstream file_;
    uint64_t size_ = 0;
};

/// Size an entry claims to unpack to; the wide form lies in the first field of its zip64 extra.
uint64_t unpacked_bytes(const std::vector<char>& directory, size_t at, size_t extra_at, size_t extra_bytes) {
    const uint64_t narrow = little_endian(directory, at + 24, 4);
    if (narrow != 0xffffffff) return narrow;
    for (size_t i = extra_at; i + 4 <= extra_at + extra_bytes;) {
        const uint64_t tag = little_endian(directory, i, 2);
        const uint64_t length = little_endian(directory, i + 2, 2);
        if (tag == 1 && length >= 8 && i + 12 <= extra_at + extra_bytes) return little_endian(directory, i + 4, 8);
        i += 4 + length;
    }
    return UINT64_MAX;
}

Status check_directory(const std::string& path, const std::vector<char>& directory, uint64_t entries,
                       uint64_t bytes_max) {
    const Error broken = invalid(path + ": the archive's directory is broken");
    uint64_t total = 0;
    bool has_code = false;
    size_t at = 0;
    for (uint64_t i = 0; i < entries; ++i) {
        if (directory.size() - at < entry_bytes || little_endian(directory, at, 4) != entry_signature) return broken;
        const size_t name_bytes = little_endian(directory, at + 28, 2);
        const size_t extra_bytes = little_endian(directory, at + 30, 2);
        const size_t comment_bytes = little_endian(directory, at + 32, 2);
        const size_t variable_bytes = name_bytes + extra_bytes + comment_bytes;
        if (directory.size() - at - entry_bytes < variable_bytes) return broken;
        const std::string_view name(directory.data() + at + entry_bytes, name_bytes);
        has_code = has_code || name.find("/code/") != std::string_view::npos;
        const uint64_t size = unpacked_bytes(directory, at, at + entry_bytes + name_bytes, extra_bytes);
        if (size > bytes_max - total)
            return invalid(path + ": \"" + std::string(name.substr(0, 64)) +
                           "\" and what precedes it unpack to more than the " + std::to_string(bytes_max >> 20) +
                           " MiB allowed");
        total += size;
        at += entry_bytes + variable_bytes;
    }
    if (!has_code) return invalid(path + ": a zip archive, but not a TorchScript model: it holds no code");
    return success();
}

}  // namespace

Status check_archive(const std::string& path, uint64_t bytes_max) {
    std::error_code unknown;
    // A folder would be as large as can be, and a pipe would never open.
    if (std::filesystem::exists(path, unknown) && !std::filesystem::is_regular_file(path, unknown))
        return invalid(path + ": not a file, a TorchScript archive is wanted");
    Reader reader(path);
    if (!reader.ok()) return unavailable(path + ": cannot be opened");
    if (reader.size() > bytes_max)
        return invalid(path + ": has " + std::to_string(reader.size() >> 20) + " MiB; at most " +
                       std::to_string(bytes_max >> 20) + " are allowed");
    Directory found;
    std::vector<char> directory;
    if (!reader.find_directory(found))
        return invalid(path + ": not a TorchScript model, or cut short: no archive ends here");
    if (found.bytes > directory_bytes_max) return invalid(path + ": the archive's directory is too large");
    if (!reader.read(found.offset, found.bytes, directory)) return invalid(path + ": the archive is cut short");
    return check_directory(path, directory, found.entries, bytes_max);
}

Result<ContentHash> hash_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return unavailable(path + ": cannot be opened");
    const DigestContext context = begin_digest();
    std::vector<char> piece(1 << 20);
    while (file) {
        file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
        EVP_DigestUpdate(context.get(), piece.data(), static_cast<size_t>(file.gcount()));
    }
    if (!file.eof()) return unavailable(path + ": cannot be read");
    return end_digest(context.get());
}

ContentHash hash_text(std::string_view text) {
    const DigestContext context = begin_digest();
    EVP_DigestUpdate(context.get(), text.data(), text.size());
    return end_digest(context.get());
}

}  // namespace eddy::torch_exec
