-- name: list_conversions
-- A page of conversions. Which ORDER BY counts is decided by :sort and :dir when the statement is
-- planned, so that pages by time read conversions_time_idx or conversions_definition_time_idx.
SELECT c.id, c.definition_id, c.contact_id, k.email, c.value, c.currency, c.occurred_at
FROM conversions c
LEFT JOIN contacts k ON k.id = c.contact_id AND k.deleted_at IS NULL
WHERE CAST(:definition AS text) IS NULL OR c.definition_id = CAST(:definition AS text)
ORDER BY
  CASE WHEN CAST(:sort AS text) = 'value' AND CAST(:dir AS text) = 'asc' THEN c.value END,
  CASE WHEN CAST(:sort AS text) = 'value' AND CAST(:dir AS text) = 'desc' THEN c.value END
    DESC NULLS LAST,
  CASE WHEN CAST(:sort AS text) = 'definitionId' AND CAST(:dir AS text) = 'asc'
    THEN c.definition_id END,
  CASE WHEN CAST(:sort AS text) = 'definitionId' AND CAST(:dir AS text) = 'desc'
    THEN c.definition_id END DESC,
  CASE WHEN CAST(:sort AS text) = 'occurredAt' AND CAST(:dir AS text) = 'asc'
    THEN c.occurred_at END,
  CASE WHEN CAST(:sort AS text) = 'occurredAt' AND CAST(:dir AS text) = 'asc' THEN c.id END,
  c.occurred_at DESC, c.id DESC
LIMIT :limit OFFSET :offset

-- name: count_conversions
-- One row per definition that ever converted; reads conversions_definition_time_idx as a whole.
SELECT definition_id, count(*) FILTER (WHERE occurred_at > CAST(:since AS timestamptz)) AS lately,
       count(*) AS ever, max(occurred_at) AS last_at
FROM conversions GROUP BY definition_id ORDER BY definition_id
