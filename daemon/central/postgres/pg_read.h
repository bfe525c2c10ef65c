/*
 * Reading the archive in PostgreSQL, see central/archive.h: with SELECT on the tables alone, in one
 * read-only transaction, so that all that is read is of one moment. Records come one by one from
 * the server; within a callback of `records` nothing else can be read.
 */
#ifndef CENTION_CENTRAL_POSTGRES_PG_READ_H
#define CENTION_CENTRAL_POSTGRES_PG_READ_H

#include "central/archive.h"

extern const struct archive_kind PG_ARCHIVE;

#endif
