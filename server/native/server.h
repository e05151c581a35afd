// What a process hosts: an engine and its front, as plain C functions. `gerank serve` calls them
// from Python through ctypes, the program gerank-server from C++.
//
// Every function may be called from any thread at any time, but for gerank_server_free, which must
// be the last. A function that fails returns its gerank::Code and writes a sentence into `error`,
// cut to `error_size` bytes, the final 0 included.
#pragma once

#include <gerank/export.h>

#include <cstddef>
#include <cstdint>

extern "C" {

// See gerank::exposures::ExposureStatistics. Python has the same struct, field by field.
struct GerankServerExposures {
  std::uint64_t written;
  std::uint64_t lost;
  std::uint64_t bytes;
  std::uint64_t files;
  bool refused;
};

struct GerankServer;

// Has malloc give blocks of large answers back to the machine as they are freed, in all of this
// process. For a program that does nothing but serve, at its start: a host with other business has
// thresholds of its own.
GERANK_EXPORT void gerank_server_keep_no_large_blocks();

// Makes a server, which does not listen yet. `options` is a document as server.toml: see
// options/option_table.h for what it may say.
GERANK_EXPORT int gerank_server_start(const char* options, GerankServer** server, char* error,
                                      std::size_t error_size);

// Listens from now on, once. Before that its callers' connections are refused, so that callers of
// several servers go to another. Until a model is loaded calls get UNAVAILABLE, and health is
// NOT_SERVING.
GERANK_EXPORT int gerank_server_listen(GerankServer* server, char* error, std::size_t error_size);

// The port it listens on, 1 for a socket in a folder; 0 before gerank_server_listen.
GERANK_EXPORT int gerank_server_port(const GerankServer* server);

// The port where it serves metrics; 0: nowhere.
GERANK_EXPORT int gerank_server_metrics_port(const GerankServer* server);

// The port where it serves gerank.v1.AdminService, from gerank_server_listen on; 0: nowhere, 1 for
// a socket in a folder.
GERANK_EXPORT int gerank_server_admin_port(const GerankServer* server);

// Loads, checks and warms an artifact, then lets it answer under `name`; calls in progress keep the
// one they began with. The first name answers calls that name no model. On an error the old one
// serves on. A version before it stays where a split names it; calls of today that the artifact
// will refuse are told in the log.
GERANK_EXPORT int gerank_server_load(GerankServer* server, const char* name, const char* path,
                                     char* error, std::size_t error_size);

// The version that answers calls for `name`, or an empty string.
GERANK_EXPORT void gerank_server_version(const GerankServer* server, const char* name,
                                         char* version, std::size_t version_size);

// The precision that version answers in, and the one that it was asked to: see
// gerank::Ranker::precision. Empty strings where there is none.
GERANK_EXPORT void gerank_server_precision(const GerankServer* server, const char* name,
                                           char* precision, char* wanted, std::size_t size);

// What the exposure log did, and its last error, cut to `error_size` bytes. False: none is kept.
GERANK_EXPORT bool gerank_server_exposures(const GerankServer* server,
                                           GerankServerExposures* exposures, char* error,
                                           std::size_t error_size);

// See Front::reload_credentials.
GERANK_EXPORT void gerank_server_reload_credentials(GerankServer* server);
// Reports NOT_SERVING from now on, and serves on: whoever balances the load has time to see it.
GERANK_EXPORT void gerank_server_leave(GerankServer* server);

// Drains, and closes: see Front::stop.
GERANK_EXPORT void gerank_server_stop(GerankServer* server, double grace_s);

GERANK_EXPORT void gerank_server_free(GerankServer* server);

}  // extern "C"
