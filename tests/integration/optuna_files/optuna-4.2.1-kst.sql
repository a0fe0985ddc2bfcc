BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('v3.2.0.a');
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO "studies" VALUES(1,'옛 스터디');
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	study_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	PRIMARY KEY (study_direction_id), 
	UNIQUE (study_id, objective), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_directions" VALUES(1,'MINIMIZE',1,0);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_user_attributes" VALUES(1,1,'메모','"\ud55c\uae00"');
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	PRIMARY KEY (trial_heartbeat_id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	intermediate_value FLOAT, 
	intermediate_value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_intermediate_value_id), 
	UNIQUE (trial_id, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_intermediate_values" VALUES(1,1,0,-4.81957456308885401341e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(2,1,1,-3.81957456308885401341e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(3,1,2,-2.81957456308885401341e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(4,2,0,4.5125352412686723369e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(5,2,1,5.5125352412686723369e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(6,2,2,6.5125352412686723369e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(7,3,0,-2.15067382987097266422e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(8,3,1,-1.15067382987097266422e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(9,3,2,-1.50673829870972664224e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(10,4,0,-2.96738159940067358633e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(11,4,1,-1.96738159940067358633e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(12,4,2,-9.6738159940067358633e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(13,5,0,-3.77505090357609596196e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(14,5,1,6.22494909642390403803e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(15,5,2,1.6224949096423904038e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(16,6,0,-1.15451329626919285686e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(17,6,1,-1.54513296269192856868e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(18,6,2,8.45486703730807143131e-01,'FINITE');
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	param_name VARCHAR(512), 
	param_value FLOAT, 
	distribution_json TEXT, 
	PRIMARY KEY (param_id), 
	UNIQUE (trial_id, param_name), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_params" VALUES(1,1,'x',-4.81957456308885401341e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": -5.0, "high": 5.0, "log": false}}');
INSERT INTO "trial_params" VALUES(2,1,'k',4.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(3,1,'c',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["a", "\ub098"]}}');
INSERT INTO "trial_params" VALUES(4,2,'x',4.5125352412686723369e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": -5.0, "high": 5.0, "log": false}}');
INSERT INTO "trial_params" VALUES(5,2,'k',7.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(6,2,'c',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["a", "\ub098"]}}');
INSERT INTO "trial_params" VALUES(7,3,'x',-2.15067382987097266422e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": -5.0, "high": 5.0, "log": false}}');
INSERT INTO "trial_params" VALUES(8,3,'k',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(9,3,'c',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["a", "\ub098"]}}');
INSERT INTO "trial_params" VALUES(10,4,'x',-2.96738159940067358633e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": -5.0, "high": 5.0, "log": false}}');
INSERT INTO "trial_params" VALUES(11,4,'k',4.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(12,4,'c',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["a", "\ub098"]}}');
INSERT INTO "trial_params" VALUES(13,5,'x',-3.77505090357609596196e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": -5.0, "high": 5.0, "log": false}}');
INSERT INTO "trial_params" VALUES(14,5,'k',2.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(15,5,'c',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["a", "\ub098"]}}');
INSERT INTO "trial_params" VALUES(16,6,'x',-1.15451329626919285686e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": -5.0, "high": 5.0, "log": false}}');
INSERT INTO "trial_params" VALUES(17,6,'k',4.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(18,6,'c',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["a", "\ub098"]}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_user_attributes" VALUES(1,1,'m','{"a": 4}');
INSERT INTO "trial_user_attributes" VALUES(2,2,'m','{"a": 7}');
INSERT INTO "trial_user_attributes" VALUES(3,3,'m','{"a": 1}');
INSERT INTO "trial_user_attributes" VALUES(4,4,'m','{"a": 4}');
INSERT INTO "trial_user_attributes" VALUES(5,5,'m','{"a": 2}');
INSERT INTO "trial_user_attributes" VALUES(6,6,'m','{"a": 4}');
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	value FLOAT, 
	value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_value_id), 
	UNIQUE (trial_id, objective), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_values" VALUES(1,1,0,2.72282989691731174279e+01,'FINITE');
INSERT INTO "trial_values" VALUES(2,2,0,2.73629743036917147955e+01,'FINITE');
INSERT INTO "trial_values" VALUES(3,3,0,-1.50673829870972664224e-01,'FINITE');
INSERT INTO "trial_values" VALUES(4,5,0,NULL,'INF_POS');
INSERT INTO "trial_values" VALUES(5,6,0,5.33290095126235730305e+00,'FINITE');
CREATE TABLE trials (
	trial_id INTEGER NOT NULL, 
	number INTEGER, 
	study_id INTEGER, 
	state VARCHAR(8) NOT NULL, 
	datetime_start DATETIME, 
	datetime_complete DATETIME, 
	PRIMARY KEY (trial_id), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-11-23 05:21:43.533953','2026-11-23 05:21:43.656643');
INSERT INTO "trials" VALUES(2,1,1,'COMPLETE','2026-11-23 05:21:43.680127','2026-11-23 05:21:43.746357');
INSERT INTO "trials" VALUES(3,2,1,'PRUNED','2026-11-23 05:21:43.753640','2026-11-23 05:21:43.838219');
INSERT INTO "trials" VALUES(4,3,1,'FAIL','2026-11-23 05:21:43.845281','2026-11-23 05:21:43.928072');
INSERT INTO "trials" VALUES(5,4,1,'COMPLETE','2026-11-23 05:21:43.934874','2026-11-23 05:21:44.025013');
INSERT INTO "trials" VALUES(6,5,1,'COMPLETE','2026-11-23 05:21:44.048791','2026-11-23 05:21:44.142407');
INSERT INTO "trials" VALUES(7,6,1,'RUNNING','2026-11-23 05:21:44.149624',NULL);
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO "version_info" VALUES(1,12,'4.2.1');
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE INDEX ix_trials_study_id ON trials (study_id);
COMMIT;
