// Built from www/src by `npm run build`.
